// This host's own address, as other hosts may know it: what stands in x-forwarded-for for a client on this host, and
// for requests that are our own. Asked for when configurations are made, not per request.

import { networkInterfaces } from 'node:os';

/** The first address that is not loopback, IPv4 first; 127.0.0.1 when there is none. */
export function hostAddress(): string {
  for (const family of ['IPv4', 'IPv6']) {
    for (const addresses of Object.values(networkInterfaces())) {
      for (const address of addresses ?? []) {
        if (!address.internal && address.family === family) return address.address;
      }
    }
  }
  return '127.0.0.1';
}
