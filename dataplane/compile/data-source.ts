// core.v3.DataSource: where a text or bytes come from. Read once, when the config is compiled.

import type { DataSourceProto } from '../../proto/gen/types.ts';
import type { Compilation } from './compilation.ts';

/** The bytes, or null after recording why there are none. */
export function readDataSource(
  source: DataSourceProto,
  path: string,
  compilation: Compilation,
): Buffer | null {
  if (source.inline_string !== undefined) return Buffer.from(source.inline_string);
  if (source.inline_bytes !== undefined) return Buffer.from(source.inline_bytes);
  if (source.filename !== undefined) {
    const file = compilation.context.readFile(source.filename);
    if (file.ok) return file.value;
    compilation.fail(`${path}.filename`, `cannot read '${source.filename}': ${file.errors}`);
    return null;
  }
  if (source.environment_variable !== undefined) {
    const value = compilation.context.environment(source.environment_variable);
    if (value !== undefined) return Buffer.from(value);
    compilation.fail(
      `${path}.environment_variable`,
      `environment variable '${source.environment_variable}' is not set`,
    );
    return null;
  }
  compilation.fail(
    path,
    'one of filename, inline_string, inline_bytes, environment_variable is required',
  );
  return null;
}

/** The same as text; '' for an absent source and after an error. */
export function readText(
  source: DataSourceProto | undefined,
  path: string,
  compilation: Compilation,
): string {
  if (source === undefined) return '';
  return readDataSource(source, path, compilation)?.toString('utf8') ?? '';
}

/** The same where nothing would be as good as no source at all: Envoy's "DataSource cannot be empty". */
export function readFilledText(
  source: DataSourceProto | undefined,
  path: string,
  compilation: Compilation,
): string {
  if (source === undefined) return '';
  const bytes = readDataSource(source, path, compilation);
  if (bytes?.length === 0) compilation.fail(path, 'must not be empty');
  return bytes?.toString('utf8') ?? '';
}

/** What errors call the source: the file's name, or the field. */
export function sourceName(source: DataSourceProto, field: string): string {
  if (source.filename !== undefined) return `'${source.filename}'`;
  if (source.environment_variable !== undefined) return `$${source.environment_variable}`;
  return field;
}

/** What /certs calls the source: the file's name, or `<inline>`. */
export function sourcePath(source: DataSourceProto | undefined): string {
  return source?.filename ?? '<inline>';
}
