// YAML (or JSON) text to validated mesh objects that know where each of their fields stood.
// Called by discovery/ for files and by the REST API for posted texts. Does no I/O.

import { isMap, isScalar, isSeq, LineCounter, type Node, parseAllDocuments } from 'yaml';
import { errorText } from '../../common/coded-error.ts';
import type { MeshObject } from './object.ts';
import type { DocumentPath, Location, Origin, Problem } from './problem.ts';
import { validateDocument } from './validate.ts';

/** A text larger than this is refused unread. */
export const MAX_DOCUMENT_BYTES = 4 * 1024 * 1024;
/** Aliases may be expanded this often per document: the YAML form of the XML entity bomb stops here. */
const MAX_ALIAS_COUNT = 100;

/** An object and the place it was written in. */
export interface LocatedObject {
  readonly object: MeshObject;
  readonly origin: Origin;
}

export interface DocumentSet {
  readonly objects: readonly LocatedObject[];
  readonly problems: readonly Problem[];
}

/** Reads every document of one text; empty documents are skipped. `source` names it in errors. */
export function readDocuments(text: string, source: string): DocumentSet {
  if (Buffer.byteLength(text) > MAX_DOCUMENT_BYTES) {
    return {
      objects: [],
      problems: [fileProblem(source, null, `larger than ${MAX_DOCUMENT_BYTES} bytes`)],
    };
  }
  const lineCounter = new LineCounter();
  const documents = parseAllDocuments(text, { lineCounter, prettyErrors: false, uniqueKeys: true });
  const objects: LocatedObject[] = [];
  const problems: Problem[] = [];
  // An empty text yields an empty list with its own (possibly failed) directives.
  for (const document of documents) {
    if (document.errors.length > 0) {
      for (const error of document.errors) {
        problems.push(fileProblem(source, locationOf(lineCounter, error.pos[0]), error.message));
      }
      continue;
    }
    if (document.contents === null || isEmptyScalar(document.contents)) continue;
    const contents = document.contents;
    let plain: unknown;
    try {
      plain = document.toJS({ maxAliasCount: MAX_ALIAS_COUNT });
    } catch (thrown) {
      // Unresolved or too many aliases.
      problems.push(
        fileProblem(source, locationOf(lineCounter, contents.range?.[0] ?? 0), errorText(thrown)),
      );
      continue;
    }
    const origin: Origin = {
      source,
      locate: (path) => locationOf(lineCounter, offsetOf(contents, path)),
    };
    const validated = validateDocument(plain, origin);
    if (validated.ok) objects.push({ object: validated.value, origin });
    else problems.push(...validated.errors);
  }
  return { objects, problems };
}

function fileProblem(file: string, location: Location | null, message: string): Problem {
  return {
    file,
    line: location?.line ?? null,
    column: location?.column ?? null,
    object: '',
    path: '',
    message,
  };
}

function locationOf(lineCounter: LineCounter, offset: number): Location {
  const { line, col } = lineCounter.linePos(offset);
  return { line, column: col };
}

function isEmptyScalar(node: unknown): boolean {
  return isScalar(node) && node.value === null && node.source === '';
}

/**
 * Offset of the node at `path`, or of its nearest existing ancestor (a missing field is shown where
 * its parent starts). The last segment of a map points at the key, where a reader looks first, unless
 * the value is a scalar beside it.
 */
function offsetOf(root: Node, path: DocumentPath): number {
  let node: Node = root;
  let offset = root.range?.[0] ?? 0;
  for (const segment of path) {
    if (isMap(node)) {
      const pair = node.items.find(
        (item) => isScalar(item.key) && String(item.key.value) === String(segment),
      );
      if (pair === undefined) return offset;
      // isMap's items have node keys: the find above looked at one.
      const key = pair.key as Node;
      const value = pair.value as Node | null;
      offset = (isScalar(value) ? value.range?.[0] : key.range?.[0]) ?? offset;
      if (value === null) return offset;
      node = value;
    } else if (isSeq(node)) {
      const item = node.items[Number(segment)] as Node | undefined;
      if (item === undefined) return offset;
      offset = item.range?.[0] ?? offset;
      node = item;
    } else {
      return offset;
    }
  }
  return offset;
}
