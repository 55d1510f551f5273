// `runtime.*`, Envoy's names.

import type { StatField } from '../api/stats.ts';

export const runtimeScope = { prefix: 'runtime', promPrefix: 'envoy_runtime', labels: {} };

export class RuntimeStats {
  static readonly stats: readonly StatField[] = [
    { field: 'deprecatedFeatureUse', name: 'deprecated_feature_use', kind: 'counter' },
    { field: 'loadError', name: 'load_error', kind: 'counter' },
    { field: 'loadSuccess', name: 'load_success', kind: 'counter' },
    { field: 'overrideDirExists', name: 'override_dir_exists', kind: 'counter' },
    { field: 'overrideDirNotExists', name: 'override_dir_not_exists', kind: 'counter' },
    { field: 'adminOverridesActive', name: 'admin_overrides_active', kind: 'gauge' },
    {
      field: 'deprecatedFeatureSeen',
      name: 'deprecated_feature_seen_since_process_start',
      kind: 'gauge',
    },
    { field: 'numKeys', name: 'num_keys', kind: 'gauge' },
    { field: 'numLayers', name: 'num_layers', kind: 'gauge' },
  ];

  /** Deprecated fields of the bootstrap. */
  deprecatedFeatureUse = 0;
  loadError = 0;
  loadSuccess = 0;
  overrideDirExists = 0;
  overrideDirNotExists = 0;
  /** 1 while /runtime_modify has values. */
  adminOverridesActive = 0;
  deprecatedFeatureSeen = 0;
  numKeys = 0;
  numLayers = 0;
}
