// `remora ctl`: the operator's verbs over the control plane's REST API, one file each.

import type { Command } from 'commander';
import * as apply from './apply.ts';
import * as configDump from './config-dump.ts';
import * as remove from './delete.ts';
import * as explain from './explain.ts';
import * as get from './get.ts';
import * as grpcBootstrap from './grpc-bootstrap.ts';
import * as load from './load.ts';
import * as proxyConfig from './proxy-config.ts';
import * as proxyStatus from './proxy-status.ts';
import * as token from './token.ts';
import * as xdsTrace from './xds-trace.ts';

export function register(program: Command): void {
  const ctl = program
    .command('ctl')
    .description('talk to a running control plane')
    .addHelpText(
      'after',
      `
Exit codes: 0 done, 1 refused or failed, 2 wrong command line.`,
    );
  const objects = [apply, get, remove, explain, token];
  const proxies = [proxyStatus, proxyConfig, xdsTrace, load, configDump, grpcBootstrap];
  for (const verb of [...objects, ...proxies]) verb.register(ctl);
}
