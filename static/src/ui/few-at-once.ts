// Pure: work of which only a few are done at a time, the others in the order in which they were asked for.

export function fewAtOnce<I, O>(count: number, work: (input: I) => Promise<O>): (input: I) => Promise<O> {
  const waiting: (() => void)[] = [];
  let running = 0;

  const begin = async (): Promise<void> => {
    if (running < count) {
      running += 1;
      return;
    }
    await new Promise<void>((resolve) => waiting.push(resolve));
  };
  // The place is handed on, so that nobody who asks in between can take it.
  const end = (): void => {
    const next = waiting.shift();
    if (next === undefined) {
      running -= 1;
    } else {
      next();
    }
  };

  return async (input) => {
    await begin();
    try {
      return await work(input);
    } finally {
      end();
    }
  };
}
