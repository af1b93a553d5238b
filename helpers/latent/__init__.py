"""Tools for looking into latent spaces: codes in, scores, maps, trees and figures out. Used by lectures 06-10."""
