// Supported fields of scoped routes; part of the table of network filters.

import { fields, type SupportGroup } from './table.ts';

const hcm = 'envoy.extensions.filters.network.http_connection_manager.v3';
const builder = `${hcm}.ScopedRoutes.ScopeKeyBuilder`;
const extractor = `${builder}.FragmentBuilder.HeaderValueExtractor`;
const scope = 'envoy.config.route.v3.ScopedRouteConfiguration';

export const scopedRoutesSupport: SupportGroup['messages'] = {
  [`${hcm}.ScopedRoutes`]: {
    ...fields('name', 'scope_key_builder', 'scoped_route_configurations_list', 'scoped_rds'),
    rds_config_source: { note: 'the same as scoped_rds_config_source, which is the default' },
  },
  [`${hcm}.ScopedRds`]: fields('scoped_rds_config_source'),
  [builder]: fields('fragments'),
  [`${builder}.FragmentBuilder`]: fields('header_value_extractor'),
  [extractor]: fields('name', 'element_separator', 'index', 'element'),
  [`${extractor}.KvElement`]: fields('separator', 'key'),
  [`${hcm}.ScopedRouteConfigurationsList`]: fields('scoped_route_configurations'),
  [scope]: {
    ...fields('name', 'key', 'route_configuration', 'route_configuration_name'),
    on_demand: {
      note: 'of scopes that name their routes; those that hold them have nothing to ask for',
    },
  },
  [`${scope}.Key`]: fields('fragments'),
  [`${scope}.Key.Fragment`]: fields('string_key'),
};
