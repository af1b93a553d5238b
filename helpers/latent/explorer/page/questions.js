// Questions to Python: one of each kind under way; while it is, only the newest waits.
class Questions {
  constructor(model, answers) {
    Object.assign(this, { model, answers, lanes: {}, view: String(Math.random()) });
    this.listener = (answer, buffers) => this.receive(answer, buffers);
    model.on("msg:custom", this.listener);
    // Jupyter's server leaves Nagle's algorithm on: it holds a small message back until the one before it is
    // acknowledged, which a page with nothing to say does after 40 ms. So say something: to "busy", which the answer
    // follows, and while a question is under way to the "idle" that follows what was said last.
    this.callbacks = this.onStatus("busy", () => this.nudge());
    this.afterNudge = this.onStatus("idle", () => { if (Object.values(this.lanes).some((lane) => lane.busy)) this.nudge(); });
  }

  onStatus(state, work) {
    return { iopub: { status: ({ content }) => { if (content.execution_state === state) work(); } } };
  }

  nudge() { this.model.send({ kind: "nudge" }, this.afterNudge); }

  get shows() { return this.model.get("scene").shows; }

  ask(kind, some = {}, data = null) {
    const facts = { shows: this.shows, ...some }; // a question that waits keeps those it was asked with
    const lane = (this.lanes[kind] ??= { busy: false, next: null });
    if (lane.busy) { lane.next = [facts, data]; return; }
    Object.assign(lane, { busy: true, facts });
    lane.patience = setTimeout(() => this.answers.error("Waiting for Python. If it was restarted, run this cell again."), 1000);
    this.model.send({ kind, view: this.view, ...facts }, this.callbacks, data ? [data] : []);
  }

  receive(answer, buffers) {
    if (answer.kind === "choose") { this.answers.choose(bytes(buffers[0])); return; } // of Python's own accord
    if (answer.view !== this.view) return; // asked by another view of the same widget: each hears every answer
    const lane = this.lanes[answer.kind], { facts, next } = lane;
    Object.assign(lane, { busy: false, next: null });
    clearTimeout(lane.patience);
    if (next) this.ask(answer.kind, ...next);
    this.answers.error("");
    if (facts.shows !== this.shows) return; // other points were shown since
    if (answer.error) this.answers.error(answer.error);
    else this.answers[answer.kind]?.(answer, buffers[0], facts);
  }

  close() { this.model.off("msg:custom", this.listener); }
}
