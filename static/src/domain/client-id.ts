// Pure. Who a chosen file is: the same folder from any device meets the same rows on the server.
// tests/vectors/client_id.json is read by every client.
import { sha256Hex } from "./sha256.ts";

/** 128 bits: two different files of one gallery meet with a chance below 10^-31. */
const ID_HEX_DIGITS = 32;

export type FileIdentity = {
  /** Relative path, or the name where there is none. */
  readonly path: string;
  readonly fileBytes: number;
  readonly lastModifiedMs: number;
};

/** Paths are compared in NFC: macOS hands out decomposed letters, the others composed ones. */
export function clientIdOf(identity: FileIdentity): string {
  const facts = [identity.path.normalize("NFC"), identity.fileBytes, Math.trunc(identity.lastModifiedMs)];
  return sha256Hex(facts.join("\0")).slice(0, ID_HEX_DIGITS);
}
