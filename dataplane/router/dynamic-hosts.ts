// Virtual hosts that came to one worker by VHDS, for one route configuration. Alive: route tables look whether it has
// changed (route-table.ts).

import type { VirtualHostData } from '../api/config/route.ts';
import type { DynamicVirtualHosts } from '../api/route.ts';

/** See the file head. */
export class DynamicHosts implements DynamicVirtualHosts {
  readonly #hosts = new Map<string, VirtualHostData>();
  #version = 0;

  get version(): number {
    return this.#version;
  }

  get hosts(): ReadonlyMap<string, VirtualHostData> {
    return this.#hosts;
  }

  set(name: string, host: VirtualHostData): void {
    this.#hosts.set(name, host);
    this.#version++;
  }

  delete(name: string): void {
    if (this.#hosts.delete(name)) this.#version++;
  }
}
