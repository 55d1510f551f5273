// Extensions whose config comes by ECDS (core.v3.ExtensionConfigSource), as plain data.

import type { ExtensionData } from '../factory.ts';

/** Canonical names of the worker halves that stand in a chain for such filters. */
export const DISCOVERED_HTTP_FILTER = 'remora.http.config_discovery';
export const DISCOVERED_NETWORK_FILTER = 'remora.network.config_discovery';
export const DISCOVERED_LISTENER_FILTER = 'remora.listener.config_discovery';

/** Data of these halves, made by compile/config-discovery.ts. */
export interface DiscoveredFilterData {
  /** resourceId of the TypedExtensionConfig. */
  readonly id: string;
  /** default_config: in force while there is none; null = requests are answered with 500, connections closed. */
  readonly default: ExtensionData | null;
}

/** A TypedExtensionConfig that came. */
export interface ExtensionConfigResource {
  /** resourceId. */
  readonly id: string;
  readonly config: ExtensionData;
}
