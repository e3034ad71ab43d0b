import type { Failure } from "../domain/failure.ts";
import type { Result } from "../kernel/result.ts";

type Page = { readonly nextCursor: string | null };

/** Hands on the pages of a list, one call after another. Null at its end; else why the server told no more. */
export async function readPages<Read extends Page>(
  read: (cursor: string | null) => Promise<Result<Read, Failure>>,
  take: (page: Read) => void,
): Promise<Failure | null> {
  let cursor: string | null = null;
  do {
    const page: Result<Read, Failure> = await read(cursor);
    if (!page.ok) return page.failure;
    take(page.value);
    cursor = page.value.nextCursor;
  } while (cursor !== null);
  return null;
}
