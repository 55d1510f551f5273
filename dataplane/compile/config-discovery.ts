// config_discovery of a filter (core.v3.ExtensionConfigSource), and the TypedExtensionConfig that comes by it.

import { joinPath } from '../../common/result.ts';
import type {
  ExtensionConfigSourceProto,
  TypedExtensionConfigProto,
} from '../../proto/gen/types.ts';
import { typeNameOf } from '../../proto/type-urls.ts';
import {
  DISCOVERED_HTTP_FILTER,
  DISCOVERED_LISTENER_FILTER,
  DISCOVERED_NETWORK_FILTER,
  type DiscoveredFilterData,
  type ExtensionConfigResource,
} from '../api/config/extension-config.ts';
import type { DecodedAny, ExtensionData } from '../api/factory.ts';
import { type Compilation, mapItems, namedAny } from './compilation.ts';
import { referTo } from './config-source.ts';

/** Worker half, and what the stats of the subscription are called. */
const halves = {
  'http-filter': { extension: DISCOVERED_HTTP_FILTER, statPrefix: 'http_filter' },
  'network-filter': { extension: DISCOVERED_NETWORK_FILTER, statPrefix: 'network_filter' },
  'listener-filter': { extension: DISCOVERED_LISTENER_FILTER, statPrefix: 'tcp_listener_filter' },
} as const;

type FilterCategory = keyof typeof halves;

/** What a filter's type must not be: main has to know that it is there. */
const ORIGINAL_DST = 'envoy.extensions.filters.listener.original_dst.v3.OriginalDst';

/** `filter`: its name is that of the resource. Null after recording what is wrong. */
export function compileDiscoveredFilter(
  category: FilterCategory,
  { name, discovery }: { readonly name: string; readonly discovery: ExtensionConfigSourceProto },
  path: string,
  compilation: Compilation,
): ExtensionData | null {
  const errorsBefore = compilation.errors.length;
  const { extension, statPrefix } = halves[category];
  const typesPath = joinPath(path, 'type_urls');
  const types = compileTypes(category, discovery.type_urls, typesPath, compilation);
  const at = joinPath(path, 'default_config');
  const given = discovery.default_config;
  const fallback =
    given === undefined
      ? null
      : compileDefault(category, { name, typed_config: given }, types, at, compilation);
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
      statPrefix,
      isAwaited: !startsAtOnce,
      source: discovery.config_source,
      path: joinPath(path, 'config_source'),
    },
    compilation,
  );
  if (compilation.errors.length > errorsBefore) return null;
  const data: DiscoveredFilterData = { id, default: fallback };
  return { name, extension, data };
}

const categories = Object.keys(halves) as readonly FilterCategory[]; // its keys are those

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
  const named = namedAny(config);
  // A type belongs to one category.
  const category =
    categories.find((one) => compilation.context.isKnown(one, named)) ?? 'http-filter';
  const compiled = compilation.extension(category, named, '');
  // Null was recorded as an error: nobody uses what is made of it.
  return { id, config: compiled ?? { name: '', extension: '', data: null } };
}

/** Envoy's words. */
function wrongType(type: string, expected: readonly string[]): string {
  return `filter config has type URL ${type} but expect ${expected.join(', ')}`;
}

function compileTypes(
  category: FilterCategory,
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
    if (!compilation.context.isKnown(category, { name: '', typed_config: any })) {
      compilation.fail(at, `no factory found for a required type URL ${type}`);
    } else if (compilation.context.isTerminalType(category, type)) {
      compilation.fail(at, `not supported yet (a terminal filter: ${type})`);
    } else if (type === ORIGINAL_DST) {
      compilation.fail(at, `not supported yet (by discovery: ${type})`);
    }
    return type;
  });
}

function compileDefault(
  category: FilterCategory,
  config: { readonly name: string; readonly typed_config: DecodedAny },
  types: readonly string[],
  path: string,
  compilation: Compilation,
): ExtensionData | null {
  const { type_name: type } = config.typed_config;
  if (!types.includes(type)) {
    compilation.fail(path, wrongType(type, types));
    return null;
  }
  const compiled = compilation.context.compileExtension(category, config, path);
  if (compiled.ok) return compiled.value;
  // The Any stands in the field itself.
  const inner = joinPath(path, 'typed_config');
  for (const error of compiled.errors) {
    compilation.fail(path + error.path.slice(inner.length), error.message);
  }
  return null;
}
