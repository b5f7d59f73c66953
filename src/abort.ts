/** Many requests that one signal ends: it has one listener for all, since an EventTarget looks through all it has at each addition. */

interface Abortable {
  abort(signal: AbortSignal): void;
}

const groups = new WeakMap<AbortSignal, Group>();

class Group {
  readonly members = new Set<Abortable>();
  readonly #signal: AbortSignal;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
    signal.addEventListener('abort', this);
  }

  handleEvent(): void {
    for (const member of this.members) member.abort(this.#signal);
  }
}

export function endWith(signal: AbortSignal, member: Abortable): void {
  let group = groups.get(signal);
  if (!group) {
    group = new Group(signal);
    groups.set(signal, group);
  }
  group.members.add(member);
}

export function endWithout(signal: AbortSignal, member: Abortable): void {
  const group = groups.get(signal);
  if (!group?.members.delete(member) || group.members.size > 0) return;
  signal.removeEventListener('abort', group);
  groups.delete(signal);
}
