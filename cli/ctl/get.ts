// `remora ctl get`: what is in the mesh.

import type { Command } from 'commander';
import { formatTable } from '../print/table.ts';
import type { MeshObject } from '../rest-client.ts';
import { listAt, textAt } from './json-path.ts';
import {
  addServerOptions,
  clientOf,
  type Output,
  outputOption,
  type ServerFlags,
  structured,
} from './options.ts';

interface Flags extends ServerFlags {
  readonly namespace?: string;
  readonly output: Output;
}

export function register(parent: Command): void {
  addServerOptions(
    parent
      .command('get')
      .description('list objects of a kind, or show one')
      .argument(
        '<kind>',
        'meshconfig, service, workload, trafficpolicy, authorizationpolicy, httproute or grpcroute',
      )
      .argument('[name]')
      .option('-n, --namespace <name>', 'one namespace (default: all; of one object: default)')
      .addOption(outputOption('table')),
  )
    .addHelpText(
      'after',
      `
Examples:
  remora ctl get services
  remora ctl get workloads
  remora ctl get httproute orders -o yaml`,
    )
    .action(async (kind: string, name: string | undefined, flags: Flags) => {
      const client = clientOf(flags);
      if (name !== undefined) {
        const object = await client.get(kind, flags.namespace ?? 'default', name);
        process.stdout.write(
          flags.output === 'table' ? objectTable([object]) : structured(object, flags.output),
        );
        return;
      }
      const items = await client.list(kind, flags.namespace ?? null);
      if (flags.output !== 'table') process.stdout.write(structured({ items }, flags.output));
      else if (items.length === 0) process.stderr.write(`there is no ${kind}\n`);
      else process.stdout.write(objectTable(items));
    });
}

/** Columns that all kinds share, and one that says what this one is about. */
export function objectTable(objects: readonly MeshObject[]): string {
  return formatTable(
    ['NAMESPACE', 'NAME', 'ABOUT', 'SOURCE', 'STATUS'],
    objects.map((object) => [
      object.metadata.namespace,
      object.metadata.name,
      about(object),
      object.status?.source ?? (object.metadata.labels?.['remora.dev/joined'] ? 'joined' : '-'),
      statusText(object),
    ]),
  );
}

function statusText(object: MeshObject): string {
  const bad = object.status?.conditions?.find((condition) => condition.status === 'False');
  return bad === undefined ? 'ok' : `${bad.type}=False: ${bad.message}`;
}

/** `orders`, `HTTPRoute orders`, `HTTPRoute orders/cart`. */
function targetText(spec: MeshObject['spec']): string {
  const [kind, name, rule] = ['kind', 'name', 'sectionName'].map((field) =>
    textAt(spec, 'targetRef', field),
  );
  const whole = kind === 'Service' ? `${name}` : `${kind} ${name}`;
  return rule === '' ? whole : `${whole}/${rule}`;
}

/** One line on the spec; fields are shown as far as they have the shape that their kind gives them. */
function about({ kind, spec }: MeshObject): string {
  switch (kind) {
    case 'MeshConfig':
      return (
        [textAt(spec, 'trustDomain'), textAt(spec, 'mtls', 'mode')].filter(Boolean).join(' ') ||
        'defaults'
      );
    case 'Service': {
      const ports = listAt(spec, 'ports').map((port) =>
        [`:${textAt(port, 'port')}`, textAt(port, 'appProtocol') || textAt(port, 'protocol')]
          .filter(Boolean)
          .join(' '),
      );
      const versions = listAt(spec, 'versions').map((version) => textAt(version, 'name'));
      return [...ports, versions.join(',')].filter(Boolean).join(' ');
    }
    case 'Workload':
      return `${textAt(spec, 'service')} ${textAt(spec, 'version')} ${textAt(spec, 'address')}:${textAt(spec, 'inboundPort')}`.replace(
        / +/g,
        ' ',
      );
    case 'TrafficPolicy':
      return `of ${targetText(spec)}: ${Object.keys(spec)
        .filter((key) => key !== 'targetRef')
        .join(', ')}`;
    case 'AuthorizationPolicy':
      return `of ${textAt(spec, 'targetRef', 'name')}: ${listAt(spec, 'rules').length} rules`;
    case 'HTTPRoute':
    case 'GRPCRoute': {
      const parents = listAt(spec, 'parentRefs').map((parent) => textAt(parent, 'name'));
      const rules = listAt(spec, 'rules').map((rule) =>
        listAt(rule, 'backendRefs')
          .map((backend) => `${textAt(backend, 'name')}=${textAt(backend, 'weight') || '1'}`)
          .join(' '),
      );
      return `of ${parents.join(',')}: ${rules.filter(Boolean).join(' | ')}`;
    }
    default:
      return '';
  }
}
