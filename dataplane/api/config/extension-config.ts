// Extensions whose config comes by ECDS (core.v3.ExtensionConfigSource), as plain data.

import type { ExtensionData } from '../factory.ts';

/** Canonical name of the worker half that stands in a chain for such an HTTP filter. */
export const DISCOVERED_HTTP_FILTER = 'remora.http.config_discovery';

/** Data of that half, made by compile/config-discovery.ts. */
export interface DiscoveredFilterData {
  /** resourceId of the TypedExtensionConfig. */
  readonly id: string;
  /** default_config: in force while there is none; null = requests are answered with 500. */
  readonly default: ExtensionData | null;
}

/** A TypedExtensionConfig that came. */
export interface ExtensionConfigResource {
  /** resourceId. */
  readonly id: string;
  readonly config: ExtensionData;
}
