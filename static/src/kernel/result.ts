/** An answer which may be a refusal. Failures are values: nothing here throws. */
export type Result<Value, Failure> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly failure: Failure };

export function succeeded<Value>(value: Value): Result<Value, never> {
  return { ok: true, value };
}

export function failedWith<Failure>(failure: Failure): Result<never, Failure> {
  return { ok: false, failure };
}

/** Closes a switch over a union: a kind nobody handles does not compile. */
export function unreachable(value: never): never {
  throw new TypeError(`not a member of the union: ${JSON.stringify(value)}`);
}
