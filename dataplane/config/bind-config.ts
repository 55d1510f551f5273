// config.core.v3.BindConfig: which source addresses upstream connections have. Envoy's rules: one address, and
// one more of the other family.

import { isIP } from 'node:net';
import type { BindConfigProto, SocketAddressProto } from '../../proto/gen/types.ts';
import type { BindConfig } from '../api/config/cluster.ts';
import { type Compilation, mapItems } from '../compile/compilation.ts';
import { compileSocketOptions } from './socket-options.ts';

export function compileBindConfig(
  bind: BindConfigProto,
  path: string,
  compilation: Compilation,
): BindConfig {
  const options = compileSocketOptions(bind.socket_options, `${path}.socket_options`, compilation);
  return {
    addresses: compileAddresses(bind, path, compilation),
    keepaliveS: options.keepalive ? options.keepIdleS : null,
  };
}

function compileAddresses(bind: BindConfigProto, path: string, compilation: Compilation): string[] {
  const addresses: string[] = [];
  const add = (source: SocketAddressProto | undefined, at: string): void => {
    const address = source?.address ?? '';
    if (isIP(address) === 0) compilation.fail(`${at}.address`, `malformed IP address '${address}'`);
    if ((source?.port_value ?? 0) !== 0) {
      compilation.fail(`${at}.port_value`, 'not supported yet (only port 0)');
    }
    if (addresses.some((other) => isIP(other) === isIP(address))) {
      compilation.fail(at, 'only two source addresses of different IP versions are supported');
    }
    addresses.push(address);
  };
  if (bind.source_address !== undefined) add(bind.source_address, `${path}.source_address`);
  mapItems(bind.extra_source_addresses, `${path}.extra_source_addresses`, (extra, at) =>
    add(extra.address, `${at}.address`),
  );
  mapItems(bind.additional_source_addresses, `${path}.additional_source_addresses`, add);
  const extras = bind.extra_source_addresses?.length ?? 0;
  const additional = bind.additional_source_addresses?.length ?? 0;
  if (bind.source_address === undefined && extras + additional > 0) {
    compilation.fail(`${path}.source_address`, 'is required with further source addresses');
  }
  if (extras > 0 && additional > 0) {
    compilation.fail(
      `${path}.additional_source_addresses`,
      'cannot be set together with extra_source_addresses',
    );
  }
  return addresses;
}
