// One document against the JSON Schema of its kind: every error at once, with path and position.
// Called by the file reader and the REST API. Says nothing about other documents: see semantics.ts.

import { isIP } from 'node:net';
import { Ajv, type DefinedError, type ErrorObject, type ValidateFunction } from 'ajv';
import { err, ok, type Result } from '../../common/result.ts';
import { DEFAULT_NAMESPACE, type Kind, keyOf, kinds, type MeshObject, schemaOf } from './object.ts';
import { GATEWAY_API_VERSION, REMORA_API_VERSION } from './primitives.ts';
import { type DocumentPath, type Origin, type Problem, problemAt } from './problem.ts';

/** Fields of the Gateway API that exist but are not implemented: said so instead of "unknown". */
const notYetSupported = new Set([
  'cors',
  'extensionRef',
  'externalAuth',
  'sessionPersistence',
  'hostnames',
  'sectionName',
]);

/** The same for types of filters. */
const filtersNotYetSupported = new Set<unknown>(['ExtensionRef', 'CORS', 'ExternalAuth']);

let validators: ReadonlyMap<Kind, ValidateFunction> | null = null;

/** Compiled when first needed: a `ctl` or a test that reads no document does not pay for it. */
function validatorOf(kind: Kind): ValidateFunction {
  if (validators === null) {
    const ajv = new Ajv({ allErrors: true, verbose: true });
    ajv.addFormat('ip', (text) => isIP(text) !== 0);
    validators = new Map(kinds.map((name) => [name, ajv.compile(schemaOf[name])]));
  }
  const validator = validators.get(kind);
  if (validator === undefined) throw new Error(`no schema for ${kind}`);
  return validator;
}

/**
 * The document as an object of its kind, defaults of the envelope filled in (namespace) and `status`
 * dropped; or every problem it has.
 */
export function validateDocument(document: unknown, origin: Origin): Result<MeshObject, Problem[]> {
  if (!isPlainObject(document)) {
    return err([
      problemAt(origin, '', [], `must be an object with apiVersion, kind, metadata and spec`),
    ]);
  }
  const kind = kinds.find((name) => name === document['kind']);
  if (kind === undefined) {
    const path = 'kind' in document ? ['kind'] : [];
    return err([
      problemAt(
        origin,
        '',
        path,
        `unknown kind ${textOf(document['kind'])}: must be one of ${kinds.join(', ')}`,
      ),
    ]);
  }
  const isGatewayApi = kind === 'HTTPRoute' || kind === 'GRPCRoute';
  const apiVersion = isGatewayApi ? GATEWAY_API_VERSION : REMORA_API_VERSION;
  const name = nameForMessages(kind, document);
  if (document['apiVersion'] !== apiVersion) {
    const path = 'apiVersion' in document ? ['apiVersion'] : [];
    return err([
      problemAt(
        origin,
        name,
        path,
        `apiVersion of ${kind} must be ${apiVersion}, not ${textOf(document['apiVersion'])}`,
      ),
    ]);
  }
  const validator = validatorOf(kind);
  if (!validator(document)) {
    return err((validator.errors ?? []).map((error) => toProblem(error, name, origin)));
  }
  // The schema of this kind accepted it.
  const { status: _status, ...object } = document as unknown as MeshObject;
  const metadata = {
    ...object.metadata,
    namespace: object.metadata.namespace ?? DEFAULT_NAMESPACE,
  };
  return ok({ ...object, metadata } as MeshObject);
}

function nameForMessages(kind: Kind, document: Record<string, unknown>): string {
  const metadata = document['metadata'];
  if (!isPlainObject(metadata) || typeof metadata['name'] !== 'string') return kind;
  // Only kind, namespace and name are read from it.
  const named = { kind, metadata } as unknown as MeshObject;
  return keyOf(named);
}

function toProblem(error: ErrorObject, name: string, origin: Origin): Problem {
  const path = pointerToPath(error.instancePath);
  // `verbose` fills data and parentSchema; DefinedError types params by keyword.
  const defined = error as DefinedError;
  switch (defined.keyword) {
    case 'additionalProperties': {
      const field = defined.params.additionalProperty;
      const message = notYetSupported.has(field)
        ? 'not supported yet'
        : `unknown field${suggestion(field, defined.parentSchema)}`;
      return problemAt(origin, name, [...path, field], message);
    }
    case 'required':
      return problemAt(origin, name, [...path, defined.params.missingProperty], 'missing');
    case 'type':
      return problemAt(
        origin,
        name,
        path,
        `must be ${article(String(defined.params.type))}, not ${textOf(error.data)}`,
      );
    case 'enum': {
      const allowed = `must be one of ${defined.params.allowedValues.map(String).join(', ')}`;
      const message = filtersNotYetSupported.has(error.data)
        ? `${textOf(error.data)} is not supported yet: ${allowed}`
        : `${allowed}; not ${textOf(error.data)}`;
      return problemAt(origin, name, path, message);
    }
    case 'const':
      return problemAt(
        origin,
        name,
        path,
        `must be ${String(defined.params.allowedValue)}, not ${textOf(error.data)}`,
      );
    case 'pattern':
    case 'format': {
      const title: unknown = error.parentSchema?.['title'];
      const wanted = typeof title === 'string' ? `must be ${title}` : (error.message ?? 'is wrong');
      return problemAt(origin, name, path, `${wanted}, not ${textOf(error.data)}`);
    }
    default:
      return problemAt(
        origin,
        name,
        path,
        `${error.message ?? 'is wrong'} (got ${textOf(error.data)})`,
      );
  }
}

function pointerToPath(pointer: string): DocumentPath {
  if (pointer === '') return [];
  return pointer
    .slice(1)
    .split('/')
    .map((raw) => raw.replaceAll('~1', '/').replaceAll('~0', '~'))
    .map((segment) => (/^\d+$/.test(segment) ? Number(segment) : segment));
}

function article(type: string): string {
  return /^[aeiou]/.test(type) ? `an ${type}` : `a ${type}`;
}

const SHOWN_CHARACTERS = 60;

/** A value for an error text: short, on one line, control characters escaped. */
export function textOf(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (isPlainObject(value)) return 'an object';
  const text = JSON.stringify(value);
  return text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}...` : text;
}

function suggestion(field: string, parentSchema: unknown): string {
  const properties = isPlainObject(parentSchema) ? parentSchema['properties'] : null;
  if (!isPlainObject(properties)) return '';
  const nearest = Object.keys(properties).find(
    (known) => known.toLowerCase() === field.toLowerCase() || isOneEditApart(known, field),
  );
  return nearest === undefined ? '' : `; did you mean ${nearest}?`;
}

/** True when one insertion, deletion or replacement makes them equal (case ignored). */
function isOneEditApart(left: string, right: string): boolean {
  const [short, long] = left.length <= right.length ? [left, right] : [right, left];
  if (long.length - short.length > 1) return false;
  let at = 0;
  while (at < short.length && short[at]?.toLowerCase() === long[at]?.toLowerCase()) at++;
  const restOfShort = long.length === short.length ? short.slice(at + 1) : short.slice(at);
  return restOfShort.toLowerCase() === long.slice(at + 1).toLowerCase();
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
