// HttpConnectionManager.scoped_routes -> ScopedRoutesData, and ScopedRouteConfiguration -> ScopeData, inline or as a
// resource of its own.

import { byteString } from '../../common/byte-string.ts';
import type {
  ScopedRouteConfigurationKeyProto,
  ScopedRouteConfigurationProto,
  ScopedRoutesProto,
  ScopedRoutesScopeKeyBuilderFragmentBuilderProto,
} from '../../proto/gen/types.ts';
import { type ConfigSource, resourceId, WILDCARD } from '../api/config/config-source.ts';
import type {
  ScopeData,
  ScopedRoutesData,
  ScopeFragmentData,
  ScopeResource,
} from '../api/config/scoped-routes.ts';
import type { ResourceReference } from '../api/resource-compiler.ts';
import { type Compilation, mapItems } from './compilation.ts';
import { compileConfigSource } from './config-source.ts';
import { headerName } from './matchers.ts';
import { compileRouteConfiguration } from './route.ts';

/** `statPrefix`: the connection manager's. */
export function compileScopedRoutes(
  config: ScopedRoutesProto,
  path: string,
  statPrefix: string,
  compilation: Compilation,
): ScopedRoutesData {
  return {
    kind: 'scoped',
    name: config.name ?? '',
    keyBuilder: mapItems(
      config.scope_key_builder?.fragments,
      `${path}.scope_key_builder.fragments`,
      (fragment, at) => compileFragment(fragment, at, compilation),
    ),
    scopes:
      config.scoped_rds === undefined
        ? { kind: 'inline', list: compileInlineScopes(config, path, compilation) }
        : { kind: 'srds', collection: compileScopedRds(config, path, statPrefix, compilation) },
  };
}

function compileFragment(
  fragment: ScopedRoutesScopeKeyBuilderFragmentBuilderProto,
  path: string,
  compilation: Compilation,
): ScopeFragmentData {
  const at = `${path}.header_value_extractor`;
  const extractor = fragment.header_value_extractor ?? {};
  const header = headerName(extractor.name, `${at}.name`, compilation);
  const elementSeparator = byteString(extractor.element_separator ?? '');
  const { element, index } = extractor;
  if (element !== undefined) {
    const separator = byteString(element.separator ?? '');
    const key = byteString(element.key ?? '');
    return { kind: 'element', header, elementSeparator, separator, key };
  }
  // As in Envoy the choice has to be said, though 0 would be a good default.
  if (index === undefined) compilation.fail(at, 'index or element is required');
  else if (index !== 0 && elementSeparator === '') {
    compilation.fail(`${at}.index`, 'must be 0 without an element_separator');
  }
  return { kind: 'index', header, elementSeparator, index: index ?? 0 };
}

/** The id of all scopes of the source. */
function compileScopedRds(
  { name = '', scoped_rds: rds, rds_config_source: routesFrom }: ScopedRoutesProto,
  path: string,
  statPrefix: string,
  compilation: Compilation,
): string {
  const at = `${path}.scoped_rds.scoped_rds_config_source`;
  const source = compileConfigSource(rds?.scoped_rds_config_source, at, compilation);
  if (source === null) return '';
  const routesAt = `${path}.rds_config_source`;
  const routesSource =
    routesFrom === undefined ? source : compileConfigSource(routesFrom, routesAt, compilation);
  if (routesSource !== null && routesSource.key !== source.key) {
    compilation.fail(routesAt, 'not supported yet (another than scoped_rds_config_source)');
  }
  const kind = 'scoped-route';
  compilation.context.referTo({ kind, name: WILDCARD, source, statPrefix, statName: name });
  return resourceId(WILDCARD, source);
}

/** Of two with one key or name the last one counts, as in Envoy. */
function compileInlineScopes(
  { scoped_route_configurations_list: list }: ScopedRoutesProto,
  path: string,
  compilation: Compilation,
): readonly ScopeData[] {
  const listPath = `${path}.scoped_route_configurations_list.scoped_route_configurations`;
  return mapItems(list?.scoped_route_configurations, listPath, (scope, at) => {
    if ((scope.route_configuration_name ?? '') !== '') {
      const text = 'fetching routes via RDS is not supported with inline scoped routes';
      compilation.fail(`${at}.route_configuration_name`, text);
    }
    if (scope.route_configuration === undefined) {
      compilation.fail(`${at}.route_configuration`, 'is required with inline scoped routes');
    }
    const routes = scope.route_configuration ?? {};
    const config = compileRouteConfiguration(
      routes,
      `${at}.route_configuration`,
      true,
      compilation,
    );
    return { ...compileScope(scope), routes: { kind: 'inline', config } };
  });
}

/** ScopedRouteConfiguration as a resource of its own, from `source`. Its routes come from there, too. */
export function compileScopeResource(
  scope: ScopedRouteConfigurationProto,
  source: ConfigSource,
  compilation: Compilation,
): ScopeResource {
  const collection = resourceId(WILDCARD, source);
  const { route_configuration: inline, route_configuration_name: name = '' } = scope;
  if (inline !== undefined) {
    const config = compileRouteConfiguration(inline, 'route_configuration', false, compilation);
    return { collection, scope: { ...compileScope(scope), routes: { kind: 'inline', config } } };
  }
  if (name === '') compilation.fail('route_configuration_name', 'must not be empty');
  const reference: ResourceReference = { kind: 'route', name, source };
  const id = resourceId(name, source);
  if (scope.on_demand === true) {
    const routes = { kind: 'rds', id, onDemand: reference } as const;
    return { collection, scope: { ...compileScope(scope), routes } };
  }
  compilation.context.referTo(reference);
  const routes = { kind: 'rds', id, onDemand: null } as const;
  return { collection, scope: { ...compileScope(scope), routes } };
}

function compileScope(scope: ScopedRouteConfigurationProto): Omit<ScopeData, 'routes'> {
  const { name = '', key, on_demand: isOnDemand = false } = scope;
  return { name, key: compileScopeKey(key), isOnDemand };
}

function compileScopeKey(key: ScopedRouteConfigurationKeyProto | undefined): readonly string[] {
  return (key?.fragments ?? []).map(({ string_key: text = '' }) => byteString(text));
}
