// The plain form of a protobuf message, which is what every room but proto/ sees:
//   keys                 proto field names (snake_case); absent fields are absent keys, never defaults.
//                        A proto3 scalar without presence is there when it is not the default
//   enum                 name; a number that the enum does not name stays a number
//   Duration, Timestamp  {seconds, nanos}         wrappers (UInt32Value...)  {value}
//   Struct, Value        ordinary JSON            bytes                      Buffer
//   int64, uint64        number when safe, else decimal string
//   map                  object without prototype, keyed by string
//   Any                  DecodedAny, decoded where it was met
// Plain messages are trees of structured-cloneable data; nobody mutates them.

/** A message whose type is known only by name. The generated types are assignable to it. */
export type PlainMessage = Readonly<Record<string, unknown>>;

/**
 * A google.protobuf.Any, decoded once. The same shape as dataplane/api/factory.ts DecodedAny, which may
 * not import this one.
 */
export interface DecodedAny {
  readonly type_url: string;
  /** Full name of what `message` is; for a TypedStruct the inner type's. */
  readonly type_name: string;
  /** null when no descriptor of `type_name` is known. */
  readonly message: PlainMessage | null;
  /** The bytes as they came. They win over `message` when the Any is encoded again. */
  readonly value: Uint8Array;
}

/** `seconds` and `nanos` have the same sign. Also the form of Timestamp (since the Unix epoch). */
export interface PlainDuration {
  readonly seconds: number;
  readonly nanos: number;
}

/** google.protobuf.BoolValue, UInt32Value...: present means set, even to the default. */
export interface Wrapper<T> {
  readonly value: T;
}

export type JsonValue =
  | null
  | boolean
  | number
  | string
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue };

/** google.protobuf.Struct. */
export type PlainStruct = { readonly [key: string]: JsonValue };

/** True for objects that are neither null, arrays nor binary. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Uint8Array)
  );
}
