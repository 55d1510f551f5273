// Several passes look at one message (reading, validation, support, compiling) and may find the same thing
// wrong. What is reported is each thing once. Linear in the errors: a peer may cause very many.

import type { FieldError } from '../../common/result.ts';
import { UNSUPPORTED } from './support-check.ts';

/**
 * One error per path: the first says what is wrong, later ones only repeat it in other words. Nothing
 * about the inside of a field that is not supported at all.
 */
export function distinctErrors(errors: readonly FieldError[]): FieldError[] {
  const unsupported = new Set<string>();
  for (const { path, message } of errors)
    if (message.startsWith(UNSUPPORTED)) unsupported.add(path);
  const seen = new Set<string>();
  return errors.filter(({ path }) => {
    if (seen.has(path) || ancestors(path).some((outer) => unsupported.has(outer))) return false;
    seen.add(path);
    return true;
  });
}

/**
 * A field that could not be read is absent from the message; that it is then "required", or what lies
 * around it incomplete, is no news.
 */
export function withoutConsequences(
  unreadable: readonly FieldError[],
  errors: readonly FieldError[],
): readonly FieldError[] {
  const around = new Set(unreadable.flatMap(({ path }) => [path, ...ancestors(path)]));
  return errors.filter(({ path }) => !around.has(path));
}

/** `a`, `a.b` and `a.b[0]` of `a.b[0].c`. */
function ancestors(path: string): string[] {
  const outer: string[] = [];
  for (let i = 1; i < path.length; i++) {
    if (path[i] === '.' || path[i] === '[') outer.push(path.slice(0, i));
  }
  return outer;
}
