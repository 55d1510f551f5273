// How each proxy of the benchmark is started for one hop; null = it does not run that shape.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { binary } from './load/binary.ts';
import { envoyBootstrap, type Pki, type Ports } from './load/configs.ts';
import { haproxyConf, nginxProxyConf } from './load/peer-configs.ts';
import { type PinnedProcess, startPinned } from './load/processes.ts';
import { type Shape, upstreamIsHttp2 } from './rows.ts';

export const PROXY_CORE = 0;

/** One proxy process: where it listens, what it forwards to, and with whom it speaks TLS. */
export interface Hop {
  readonly ports: Ports;
  readonly upstreamPort: number;
  readonly downstreamTls: Pki | null;
  readonly upstreamTls: Pki | null;
  readonly shape: Shape;
}

export interface Peer {
  readonly name: string;
  /** `label` names its files below `directory`. */
  start(label: string, hop: Hop, directory: string): PinnedProcess | null;
}

function envoyConfig(label: string, hop: Hop, directory: string): string {
  const file = join(directory, `${label}.json`);
  writeFileSync(file, JSON.stringify(envoyBootstrap({ ...hop, extraClusters: 0, directory })));
  return file;
}

export const peers: readonly Peer[] = [
  {
    name: 'envoy',
    start: (label, hop, directory) => {
      const file = envoyConfig(label, hop, directory);
      const args = ['-c', file, '--concurrency', '1', '-l', 'error', '--disable-hot-restart'];
      return startPinned(label, PROXY_CORE, binary('envoy'), args);
    },
  },
  {
    name: 'nginx',
    start: (label, hop, directory) => {
      // Its stream module is a package of its own.
      if (hop.shape.routes > 0 || hop.shape.protocol === 'tcp') return null;
      // To HTTP/2 backends it forwards nothing but gRPC.
      if (upstreamIsHttp2(hop.shape) && !hop.shape.backend.startsWith('grpc')) return null;
      const home = join(directory, label);
      mkdirSync(home);
      const file = join(home, 'nginx.conf');
      writeFileSync(file, nginxProxyConf({ ...hop, directory: home }));
      return startPinned(label, PROXY_CORE, 'nginx', ['-c', file, '-p', home]);
    },
  },
  {
    name: 'haproxy',
    start: (label, hop, directory) => {
      const hasTls = hop.downstreamTls !== null || hop.upstreamTls !== null;
      if (hop.shape.routes > 0 || hop.shape.accessLog || hasTls) return null;
      const file = join(directory, `${label}.cfg`);
      writeFileSync(file, haproxyConf({ ...hop, directory }));
      return startPinned(label, PROXY_CORE, 'haproxy', ['-f', file]);
    },
  },
  {
    name: 'remora',
    start: (label, hop, directory) => {
      const file = envoyConfig(label, hop, directory);
      const args = ['bin/remora.js', 'proxy', '-c', file, '--concurrency', '1', '-l', 'error'];
      return startPinned(label, PROXY_CORE, process.execPath, args);
    },
  },
];
