// What a route asks of a host's `envoy.lb` metadata, in the form that subsets are found by. Made where routes are
// compiled and, of dynamic metadata, in the router; read by upstream/lb/subset.

/** A key and the value's text (metadataText). */
export interface MetadataEntry {
  readonly key: string;
  readonly value: string;
}

/** Plain data. Envoy: MetadataMatchCriteria. */
export interface MetadataMatch {
  /** As it was written. */
  readonly values: Readonly<Record<string, unknown>>;
  /** Sorted by key, in code unit order. */
  readonly entries: readonly MetadataEntry[];
  /** What `fallback_list` means where metadata_fallback_policy is FALLBACK_LIST, to be tried in order; null = no such key. */
  readonly variants: readonly (readonly MetadataEntry[])[] | null;
}

/** The namespace that load balancing goes by. */
export const LB_METADATA = 'envoy.lb';
const FALLBACK_LIST = 'fallback_list';

export function metadataMatchOf(values: Readonly<Record<string, unknown>>): MetadataMatch {
  const hasList = Object.hasOwn(values, FALLBACK_LIST);
  return { values, entries: entriesOf(values), variants: hasList ? variantsOf(values) : null };
}

/** Those of `more` replace those of `base`. */
export function mergeMetadataMatch(
  base: MetadataMatch | null,
  more: Readonly<Record<string, unknown>>,
): MetadataMatch {
  return metadataMatchOf(base === null ? more : { ...base.values, ...more });
}

/**
 * The same for equal values (of a google.protobuf.Value as plain JSON), another one for others: a text stands for
 * itself, what is none for its JSON behind a U+0000.
 */
export function metadataText(value: unknown): string {
  if (typeof value === 'string' && !value.startsWith('\0')) return value;
  return `\0${JSON.stringify(sorted(value))}`;
}

function entriesOf(values: Readonly<Record<string, unknown>>): readonly MetadataEntry[] {
  const entries: MetadataEntry[] = [];
  for (const key of Object.keys(values).sort()) {
    entries.push({ key, value: metadataText(values[key]) });
  }
  return entries;
}

/** As Envoy reads it: what is no list is an empty one, what is no struct in it an empty one. */
function variantsOf(
  values: Readonly<Record<string, unknown>>,
): readonly (readonly MetadataEntry[])[] {
  const { [FALLBACK_LIST]: list, ...others } = values;
  if (!Array.isArray(list) || list.length === 0) return [entriesOf(others)];
  return list.map((item: unknown) => entriesOf({ ...others, ...(isStruct(item) ? item : {}) }));
}

function isStruct(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isStruct(value)) return value;
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((key) => [key, sorted(value[key])]),
  );
}
