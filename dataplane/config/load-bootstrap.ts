// The public seam of config/ for the bootstrap: file and --config-yaml in, BootstrapConfig or all errors
// with line and column out. Also what --mode validate runs.

import { err, type FieldError, ok, type Result } from '../../common/result.ts';
import type { BootstrapProto } from '../../proto/gen/types.ts';
import { JsonReader } from '../../proto/json.ts';
import { isRecord } from '../../proto/plain.ts';
import { deprecatedFields, validateMessage } from '../../proto/validate.ts';
import type { BootstrapConfig } from '../api/config/bootstrap.ts';
import { type BootstrapOverrides, compileBootstrap, noOverrides } from './bootstrap.ts';
import { distinctErrors, withoutConsequences } from './distinct-errors.ts';
import {
  type ConfigDocument,
  MergedDocument,
  type ParsedDocument,
  parseConfigText,
} from './document.ts';
import { deepFreeze } from './freeze.ts';
import type { ConfigInputs } from './resource-compiler.ts';
import { checkSupport, UNSUPPORTED } from './support-check.ts';

const BOOTSTRAP = 'envoy.config.bootstrap.v3.Bootstrap';

export interface LoadBootstrapOptions extends ConfigInputs {
  /** -c: a .yaml, .yml or .json file. */
  readonly path?: string;
  /** --config-yaml: merged over the file. */
  readonly yaml?: string;
  readonly overrides?: BootstrapOverrides;
}

/** The errors are complete lines, sorted by place: `bootstrap.yaml:31:17 a.b[0]: must be > 0`. */
export function loadBootstrap(options: LoadBootstrapOptions): Result<BootstrapConfig, string[]> {
  const document = readDocument(options);
  if (!document.ok) return document;
  const { value } = document.value;
  const reader = new JsonReader('error');
  const message = reader.read(BOOTSTRAP, value ?? {}, '', 0);
  if (!isRecord(message)) return err(formatErrors(reader.errors, document.value));
  // The reader builds what gen/types.ts describes, less the fields that it reported.
  const bootstrap = message as BootstrapProto;
  const compiled = compileBootstrap(bootstrap, options, options.overrides ?? noOverrides);
  const errors = [
    ...reader.errors,
    ...withoutConsequences(reader.errors, [
      ...validateMessage(BOOTSTRAP, bootstrap),
      ...checkSupport(BOOTSTRAP, bootstrap),
      ...compiled.errors,
    ]),
  ];
  if (errors.length > 0) return err(formatErrors(distinctErrors(errors), document.value));
  const warnings = [...compiled.config.warnings, ...deprecatedFields(BOOTSTRAP, bootstrap)];
  return ok(deepFreeze({ ...compiled.config, warnings }));
}

function readDocument(options: LoadBootstrapOptions): Result<ConfigDocument, string[]> {
  const file = options.path === undefined ? null : readConfigFile(options.path, options.readFile);
  const yaml = options.yaml === undefined ? null : parseConfigText('--config-yaml', options.yaml);
  const errors = [file, yaml].flatMap((part) => (part === null || part.ok ? [] : part.errors));
  if (errors.length > 0) return err(errors);
  const base = file?.ok === true ? file.value : null;
  const over = yaml?.ok === true ? yaml.value : null;
  if (base !== null && over !== null) return ok(new MergedDocument(base, over));
  const only = base ?? over;
  return only === null ? err(['no configuration: give -c or --config-yaml']) : ok(only);
}

function readConfigFile(
  path: string,
  readFile: ConfigInputs['readFile'],
): Result<ParsedDocument, string[]> {
  if (/\.(pb|pb_text)$/.test(path)) {
    return err([`${path}: not supported yet: protobuf bootstrap files; use .yaml or .json`]);
  }
  if (!/\.(ya?ml|json)$/.test(path)) {
    return err([`${path}: unknown kind of file: the name must end in .yaml, .yml or .json`]);
  }
  const bytes = readFile(path);
  if (!bytes.ok) return err([`${path}: cannot be read: ${bytes.errors}`]);
  return parseConfigText(path, bytes.value.toString('utf8'));
}

/** One line per error, in the order of the text. */
function formatErrors(errors: readonly FieldError[], document: ConfigDocument): string[] {
  return errors
    .map((error) => ({ error, place: document.locate(error.path) }))
    .sort(
      (a, b) =>
        a.place.file.localeCompare(b.place.file) ||
        (a.place.position?.line ?? 0) - (b.place.position?.line ?? 0) ||
        (a.place.position?.column ?? 0) - (b.place.position?.column ?? 0),
    )
    .map(({ error, place: { file, position } }) => {
      const at = position === null ? file : `${file}:${position.line}:${position.column}`;
      return `${at} ${formatText(error)}`;
    });
}

/** `not supported yet: <path>` reads best with the path last. */
function formatText({ path, message }: FieldError): string {
  if (path === '') return message;
  if (!message.startsWith(UNSUPPORTED)) return `${path}: ${message}`;
  return `${UNSUPPORTED}: ${path}${message.slice(UNSUPPORTED.length)}`;
}
