// One run over one message: collects every error with its path while compile functions go on with a
// harmless stand-in, so that all errors are found at once. Used by config/ and extensions/*/config.ts;
// a result may only be used when `errors` stayed empty.

import { err, type FieldError, joinPath, ok, type Result } from '../../common/result.ts';
import type {
  Category,
  CompileContext,
  DecodedAny,
  ExtensionData,
  NamedAny,
} from '../api/factory.ts';

export class Compilation {
  readonly context: CompileContext;
  readonly errors: FieldError[] = [];

  constructor(context: CompileContext) {
    this.context = context;
  }

  /** Records one error; `path` is relative to the message this run is for. */
  fail(path: string, message: string): void {
    this.errors.push({ path, message });
  }

  /** Records errors whose paths already begin at this run's message. */
  failAll(errors: readonly FieldError[]): void {
    this.errors.push(...errors);
  }

  /** The value of a nested result, or null after recording its errors below `path`. */
  take<T>(result: Result<T, readonly FieldError[]>, path = ''): T | null {
    if (result.ok) return result.value;
    for (const { path: below, message } of result.errors) this.fail(joinPath(path, below), message);
    return null;
  }

  /** Compiles a nested extension; null after recording what is wrong with it. */
  extension(category: Category, extension: NamedAny, path: string): ExtensionData | null {
    return this.take(this.context.compileExtension(category, extension, path));
  }

  /** What the compile function made, unless something was wrong. */
  result<T>(value: T): Result<T, FieldError[]> {
    return this.errors.length === 0 ? ok(value) : err(this.errors);
  }
}

/** Compiles each item with its path `path[i]`. */
export function mapItems<P, T>(
  items: readonly P[] | undefined,
  path: string,
  compile: (item: P, path: string) => T,
): T[] {
  return (items ?? []).map((item, i) => compile(item, `${path}[${i}]`));
}

/** Path of a map entry: `filter_metadata["envoy.lb"]`, quoted because keys contain dots. */
export function mapEntryPath(path: string, key: string): string {
  return `${path}[${JSON.stringify(key)}]`;
}

/** The name and typed_config of any message that has both, as CompileContext wants them. */
export function namedAny(holder: {
  readonly name?: string | undefined;
  readonly typed_config?: DecodedAny | undefined;
}): NamedAny {
  const name = holder.name ?? '';
  return holder.typed_config === undefined ? { name } : { name, typed_config: holder.typed_config };
}
