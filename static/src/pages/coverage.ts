// Pure: which versions of a gallery have been told. Messages may overtake each other, so that one that comes early is
// kept until what belongs before it has come; only what never comes is a gap.

type Span = Readonly<{ previous: number; version: number }>;

export type Coverage = Readonly<{
  /** Every change up to this one is known. */
  known: number;
  /** The newest change heard of. */
  latest: number;
  /** Told, with something missing before. */
  early: readonly Span[];
}>;

export function knownUpTo(version: number): Coverage {
  return { known: version, latest: version, early: [] };
}

/** A version that exists, whatever was told of it. */
export function heardOf(coverage: Coverage, version: number): Coverage {
  return version > coverage.latest ? { ...coverage, latest: version } : coverage;
}

/** Every change after `previous` up to `version` has been told. */
export function covering(coverage: Coverage, previous: number, version: number): Coverage {
  const spans = [...coverage.early, { previous, version }].sort(
    (one, other) => one.previous - other.previous,
  );
  let known = coverage.known;
  for (const span of spans) {
    if (span.previous <= known) {
      known = Math.max(known, span.version);
    }
  }
  return {
    known,
    latest: Math.max(coverage.latest, version, known),
    early: spans.filter((span) => span.version > known && span.version > span.previous),
  };
}

export function isBehind(coverage: Coverage): boolean {
  return coverage.known < coverage.latest;
}
