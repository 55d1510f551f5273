// config_discovery of an HTTP filter (core.v3.ExtensionConfigSource), and the TypedExtensionConfig that comes by it.

import { joinPath } from '../../common/result.ts';
import type {
  ExtensionConfigSourceProto,
  TypedExtensionConfigProto,
} from '../../proto/gen/types.ts';
import { typeNameOf } from '../../proto/type-urls.ts';
import {
  DISCOVERED_HTTP_FILTER,
  type DiscoveredFilterData,
  type ExtensionConfigResource,
} from '../api/config/extension-config.ts';
import type { DecodedAny, ExtensionData } from '../api/factory.ts';
import { type Compilation, mapItems, namedAny } from './compilation.ts';
import { referTo } from './config-source.ts';

/** `name`: of the filter, which is that of the resource. Null after recording what is wrong. */
export function compileDiscoveredFilter(
  name: string,
  discovery: ExtensionConfigSourceProto,
  path: string,
  compilation: Compilation,
): ExtensionData | null {
  const errorsBefore = compilation.errors.length;
  const types = compileTypes(discovery.type_urls, joinPath(path, 'type_urls'), compilation);
  const at = joinPath(path, 'default_config');
  const given = discovery.default_config;
  const fallback = given === undefined ? null : compileDefault(name, given, types, at, compilation);
  const startsAtOnce = discovery.apply_default_config_without_warming ?? false;
  if (startsAtOnce && given === undefined) {
    const text = `filter config ${name} applied without warming but has no default config`;
    compilation.fail(joinPath(path, 'apply_default_config_without_warming'), text);
  }
  const id = referTo(
    {
      kind: 'extension-config',
      name,
      typeNames: types,
      isAwaited: !startsAtOnce,
      source: discovery.config_source,
      path: joinPath(path, 'config_source'),
    },
    compilation,
  );
  if (compilation.errors.length > errorsBefore) return null;
  const data: DiscoveredFilterData = { id, default: fallback };
  return { name, extension: DISCOVERED_HTTP_FILTER, data };
}

/** `demanded`: the types that those who refer to it allow, a list from each. */
export function compileExtensionConfig(
  config: TypedExtensionConfigProto,
  id: string,
  demanded: readonly (readonly string[])[],
  compilation: Compilation,
): ExtensionConfigResource {
  const any = config.typed_config;
  for (const types of any === undefined ? [] : demanded) {
    if (types.includes(any!.type_name)) continue;
    compilation.fail('typed_config', wrongType(any!.type_name, types));
  }
  const compiled = compilation.extension('http-filter', namedAny(config), '');
  // Null was recorded as an error: nobody uses what is made of it.
  return { id, config: compiled ?? { name: '', extension: '', data: null } };
}

/** Envoy's words. */
function wrongType(type: string, expected: readonly string[]): string {
  return `filter config has type URL ${type} but expect ${expected.join(', ')}`;
}

function compileTypes(
  urls: readonly string[] | undefined,
  path: string,
  compilation: Compilation,
): string[] {
  return mapItems(urls, path, (url, at) => {
    const type = typeNameOf(url.includes('/') ? url : `type.googleapis.com/${url}`);
    const any: DecodedAny = {
      type_url: `type.googleapis.com/${type}`,
      type_name: type,
      message: null,
      value: Buffer.alloc(0),
    };
    if (!compilation.context.isKnown('http-filter', { name: '', typed_config: any })) {
      compilation.fail(at, `no factory found for a required type URL ${type}`);
    } else if (compilation.context.isTerminalType('http-filter', type)) {
      compilation.fail(at, `not supported yet (a terminal filter: ${type})`);
    }
    return type;
  });
}

function compileDefault(
  name: string,
  config: DecodedAny,
  types: readonly string[],
  path: string,
  compilation: Compilation,
): ExtensionData | null {
  if (!types.includes(config.type_name)) {
    compilation.fail(path, wrongType(config.type_name, types));
    return null;
  }
  const compiled = compilation.context.compileExtension(
    'http-filter',
    { name, typed_config: config },
    path,
  );
  if (compiled.ok) return compiled.value;
  // The Any stands in the field itself.
  const inner = joinPath(path, 'typed_config');
  for (const error of compiled.errors) {
    compilation.fail(path + error.path.slice(inner.length), error.message);
  }
  return null;
}
