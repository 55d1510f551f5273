// What scenarios and bootstraps are made of.

/** A part of a message as JSON, fields named as in the proto. */
export interface Fragment {
  readonly [field: string]: unknown;
}
