// One thing wrong with a mesh document: where it is and what it is.

/** Keys and indices from the document's root: ['spec', 'rules', 0]. */
export type DocumentPath = readonly (string | number)[];

export interface Location {
  /** 1-based. */
  readonly line: number;
  readonly column: number;
}

/** Where a document came from; `locate` is null for documents without a text (REST JSON, joins). */
export interface Origin {
  /** File name as given, or `rest`. */
  readonly source: string;
  readonly locate: ((path: DocumentPath) => Location | null) | null;
}

export interface Problem {
  /** File and position, when the document had a text. */
  readonly file: string | null;
  readonly line: number | null;
  readonly column: number | null;
  /** `HTTPRoute default/orders`, or '' when the document could not be read that far. */
  readonly object: string;
  /** `spec.rules[0].backendRefs[1].name`; '' is the root. */
  readonly path: string;
  readonly message: string;
}

/** `['spec', 'rules', 0]` -> `spec.rules[0]`. */
export function pathText(path: DocumentPath): string {
  let text = '';
  for (const segment of path) {
    if (typeof segment === 'number') text += `[${segment}]`;
    else text += text === '' ? segment : `.${segment}`;
  }
  return text;
}

export function problemAt(
  origin: Origin,
  object: string,
  path: DocumentPath,
  message: string,
): Problem {
  const location = origin.locate?.(path) ?? null;
  return {
    file: origin.locate === null ? null : origin.source,
    line: location?.line ?? null,
    column: location?.column ?? null,
    object,
    path: pathText(path),
    message,
  };
}

/** `shop.yaml:12:7 HTTPRoute default/orders spec.rules[0]: message`. */
export function formatProblem(problem: Problem): string {
  const parts: string[] = [];
  if (problem.file !== null) {
    parts.push(
      problem.line === null
        ? problem.file
        : `${problem.file}:${problem.line}:${problem.column ?? 1}`,
    );
  }
  if (problem.object !== '') parts.push(problem.object);
  if (problem.path !== '') parts.push(problem.path);
  return parts.length === 0 ? problem.message : `${parts.join(' ')}: ${problem.message}`;
}
