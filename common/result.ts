// Result of a computation that can fail in ways the caller must report, all of them at once.

/** Either a value, or every error that was found (never just the first). */
export type Result<T, E> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly errors: E };

export function ok<T>(value: T): { readonly ok: true; readonly value: T } {
  return { ok: true, value };
}

export function err<E>(errors: E): { readonly ok: false; readonly errors: E } {
  return { ok: false, errors };
}

/**
 * One thing wrong with a document or resource.
 * `path` is in proto spelling: `static_resources.clusters[0].connect_timeout`; '' is the root.
 * `message` reads well after `path: ` and is fit to be sent as a NACK.
 */
export interface FieldError {
  readonly path: string;
  readonly message: string;
}

/** `path: message`, or the bare message at the root. */
export function formatFieldError(error: FieldError): string {
  return error.path === '' ? error.message : `${error.path}: ${error.message}`;
}

/** Joins a parent path and a child segment: `a` + `b` = `a.b`, `a` + `[0]` = `a[0]`. */
export function joinPath(parent: string, child: string): string {
  if (parent === '') return child;
  if (child === '') return parent;
  return child.startsWith('[') ? parent + child : `${parent}.${child}`;
}
