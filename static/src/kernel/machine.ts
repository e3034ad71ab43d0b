/** What a machine answers: the state after the event, and what somebody else is to do about it. */
export type Step<State, Command> = readonly [state: State, commands: readonly Command[]];

/** A pure function. A late event in a wrong state is answered by the same state and no command. */
export type Machine<State, Event, Command> = (state: State, event: Event) => Step<State, Command>;

/**
 * Holds one machine's state and performs its commands, one event after another: an event that a command raises
 * waits until the commands before it are done.
 */
export class Runner<State, Event, Command> {
  #state: State;
  #isRunning = false;
  readonly #waiting: Event[] = [];
  readonly #machine: Machine<State, Event, Command>;
  readonly #perform: (command: Command) => void;

  constructor(machine: Machine<State, Event, Command>, initial: State, perform: (command: Command) => void) {
    this.#machine = machine;
    this.#state = initial;
    this.#perform = perform;
  }

  get state(): State {
    return this.#state;
  }

  dispatch(event: Event): void {
    this.#waiting.push(event);
    if (this.#isRunning) return;
    this.#isRunning = true;
    try {
      for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
        this.#take(next);
      }
    } finally {
      this.#isRunning = false;
    }
  }

  #take(event: Event): void {
    const [state, commands] = this.#machine(this.#state, event);
    this.#state = state;
    for (const command of commands) this.#perform(command);
  }
}
