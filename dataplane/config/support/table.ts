// The shape of THE table of supported fields. A field that is not in it is refused by name, in static
// config and in xDS alike; docs/support.md is printed from it. Whoever implements a field adds it here.

/**
 * How far a field goes:
 *   'yes'       carried by the data in dataplane/api/config and acted upon
 *   {note}      the same, with something to say about it
 *   {only}      only these values (enum names, or what a scalar or wrapper holds); others are refused
 */
export type FieldSupport =
  | 'yes'
  | { readonly note: string }
  | { readonly only: readonly (string | number | boolean)[]; readonly note?: string };

/** By field name in proto spelling. */
export type MessageSupport = Readonly<Record<string, FieldSupport>>;

/** One part of the API: by full message name. */
export interface SupportGroup {
  /** Heading in docs/support.md. */
  readonly title: string;
  readonly messages: Readonly<Record<string, MessageSupport>>;
}

/** All these fields are supported without conditions. */
export function fields(...names: readonly string[]): MessageSupport {
  return Object.fromEntries(names.map((name) => [name, 'yes']));
}

/** Only these values; anything else is refused. */
export function only(...values: readonly (string | number | boolean)[]): FieldSupport {
  return { only: values };
}
