// What the Envoy API's field options say beyond types, as proto/build/constraints.ts extracted it. Read
// once, when first asked for. Main thread only.

import { readFileSync } from 'node:fs';
import type { PlainDuration } from './plain.ts';
import { genDir } from './root.ts';

/** validate.NumberRules, of all number kinds. */
export interface NumberRules {
  readonly const?: number;
  readonly lt?: number;
  readonly lte?: number;
  readonly gt?: number;
  readonly gte?: number;
  readonly in?: readonly number[] | number;
  readonly not_in?: readonly number[] | number;
}

/** validate.StringRules and BytesRules, as far as the Envoy API uses them. */
export interface StringRules {
  readonly const?: string;
  readonly len?: number;
  readonly min_len?: number;
  readonly max_len?: number;
  readonly min_bytes?: number;
  readonly max_bytes?: number;
  readonly pattern?: string;
  readonly prefix?: string;
  readonly suffix?: string;
  readonly contains?: string;
  readonly in?: readonly string[] | string;
  readonly not_in?: readonly string[] | string;
  readonly well_known_regex?: 'HTTP_HEADER_NAME' | 'HTTP_HEADER_VALUE';
  readonly strict?: boolean;
  readonly ignore_empty?: boolean;
  readonly uri?: boolean;
  readonly uri_ref?: boolean;
}

export interface EnumRules {
  readonly const?: number;
  readonly defined_only?: boolean;
  readonly in?: readonly number[] | number;
  readonly not_in?: readonly number[] | number;
}

/** Durations are as written in the option: either part may be missing. */
export interface DurationRules {
  readonly required?: boolean;
  readonly lt?: Partial<PlainDuration>;
  readonly lte?: Partial<PlainDuration>;
  readonly gt?: Partial<PlainDuration>;
  readonly gte?: Partial<PlainDuration>;
}

export interface AnyRules {
  readonly required?: boolean;
  readonly in?: readonly string[] | string;
}

/** validate.FieldRules; the number kinds are looked up by the field's own kind. */
export interface FieldRules {
  readonly message?: { readonly required?: boolean; readonly skip?: boolean };
  readonly string?: StringRules;
  readonly bytes?: StringRules;
  readonly bool?: { readonly const?: boolean };
  readonly enum?: EnumRules;
  readonly duration?: DurationRules;
  readonly any?: AnyRules;
  readonly repeated?: {
    readonly min_items?: number;
    readonly max_items?: number;
    readonly unique?: boolean;
    readonly items?: FieldRules;
  };
  readonly map?: {
    readonly min_pairs?: number;
    readonly max_pairs?: number;
    readonly keys?: FieldRules;
    readonly values?: FieldRules;
  };
  readonly double?: NumberRules;
  readonly float?: NumberRules;
  readonly int32?: NumberRules;
  readonly uint32?: NumberRules;
  readonly int64?: NumberRules;
  readonly uint64?: NumberRules;
}

export interface TypeConstraints {
  readonly fields?: Readonly<Record<string, FieldRules>>;
  readonly requiredOneofs?: readonly string[];
  readonly sensitive?: readonly string[];
  readonly deprecated?: readonly string[];
}

let constraints: ReadonlyMap<string, TypeConstraints> | null = null;

/** The constraints of a message type, or null when it has none. */
export function constraintsOf(fullName: string): TypeConstraints | null {
  constraints ??= readConstraints();
  return constraints.get(fullName) ?? null;
}

function readConstraints(): ReadonlyMap<string, TypeConstraints> {
  const text = readFileSync(new URL('constraints.json', genDir), 'utf8');
  // Our own build's output.
  return new Map(Object.entries(JSON.parse(text) as Record<string, TypeConstraints>));
}
