// xDS bytes -> compiled resource: decode once, validate, refuse what is not supported, compile. Injected
// into xds/ by server/. Everything that is wrong with a resource is found at once and goes into the NACK.

import { hash } from 'node:crypto';
import { errorText } from '../../common/coded-error.ts';
import type { Result } from '../../common/result.ts';
import type { SharedMemory } from '../../common/shared-memory.ts';
import { decodeMessage } from '../../proto/any.ts';
import type {
  ClusterLoadAssignmentProto,
  ClusterProto,
  ListenerProto,
  RouteConfigurationProto,
  SecretProto,
} from '../../proto/gen/types.ts';
import { typeNameOf } from '../../proto/type-urls.ts';
import { validateMessage } from '../../proto/validate.ts';
import type { BootstrapConfig, ClusterDefaults } from '../api/config/bootstrap.ts';
import {
  type CompileOutcome,
  type ResourceCompiler,
  type ResourceKind,
  type ResourceReference,
  typeUrlOf,
} from '../api/resource-compiler.ts';
import { Compilation } from '../compile/compilation.ts';
import { compileRouteConfiguration } from '../compile/route.ts';
import { ConfigContext, type ConfigEnvironment } from './any-config.ts';
import { compileCluster } from './cluster.ts';
import { distinctErrors } from './distinct-errors.ts';
import { compileLoadAssignment } from './endpoint.ts';
import { deepFreeze } from './freeze.ts';
import { compileListener } from './listener.ts';
import { clusterReferences, listenerReferences, routeReferences } from './references.ts';
import type { FactoryRegistry } from './registry.ts';
import { compileSecret } from './secret.ts';
import { checkSupport } from './support-check.ts';

/** What the process offers to compile functions. */
export interface ConfigInputs {
  readonly registry: FactoryRegistry;
  /** The error is fit for the user. */
  readonly readFile: (path: string) => Result<Buffer, string>;
  readonly environment: (name: string) => string | undefined;
  readonly sharedMemory: SharedMemory;
}

/** A compiler for what comes over xDS into the process that `bootstrap` started. */
export function createResourceCompiler(
  bootstrap: BootstrapConfig,
  inputs: ConfigInputs,
): ResourceCompiler {
  const environment: ConfigEnvironment = {
    ...inputs,
    staticSecrets: new Map(bootstrap.secrets.map((secret) => [secret.name, secret])),
    runtime: new Map(Object.entries(bootstrap.runtime)),
  };
  return new ConfigResourceCompiler(environment, bootstrap.clusterDefaults);
}

/** Short content hash; two resources of one hash are the same. */
export function contentHash(bytes: Uint8Array): string {
  return hash('sha256', bytes, 'hex').slice(0, 32);
}

interface Compiled {
  readonly data: unknown;
  readonly references: readonly ResourceReference[];
}

class ConfigResourceCompiler implements ResourceCompiler {
  readonly #environment: ConfigEnvironment;
  readonly #defaults: ClusterDefaults;

  constructor(environment: ConfigEnvironment, defaults: ClusterDefaults) {
    this.#environment = environment;
    this.#defaults = defaults;
  }

  compile(kind: ResourceKind, bytes: Uint8Array): CompileOutcome {
    try {
      return this.#compile(kind, bytes);
    } catch (thrown) {
      // A bug of ours, but it must not take the whole stream down.
      const message = `internal error: ${errorText(thrown)}`;
      return { ok: false, name: '', errors: [{ path: '', message }] };
    }
  }

  #compile(kind: ResourceKind, bytes: Uint8Array): CompileOutcome {
    const typeName = typeNameOf(typeUrlOf[kind]);
    const decoded = decodeMessage(typeName, bytes);
    if (!decoded.ok) return { ok: false, name: '', errors: decoded.errors };
    const { message, warnings } = decoded.value;
    const name = nameOf(kind, message);
    const allWarnings = [...warnings];
    const compilation = new Compilation(
      new ConfigContext({
        environment: this.#environment,
        source: 'dynamic',
        hasAds: true,
        knownClusters: null,
        referencedClusters: new Set(),
        warnings: allWarnings,
      }),
    );
    const digest = contentHash(bytes);
    const compiled = this.#compileMessage(kind, message, digest, compilation);
    if (name === '')
      compilation.fail(kind === 'endpoint' ? 'cluster_name' : 'name', 'must not be empty');
    const errors = distinctErrors([
      ...validateMessage(typeName, message),
      ...checkSupport(typeName, message),
      ...compilation.errors,
    ]);
    if (errors.length > 0) return { ok: false, name, errors };
    return {
      ok: true,
      resource: {
        kind,
        name,
        data: deepFreeze(compiled.data),
        references: compiled.references,
        hash: digest,
        warnings: allWarnings,
      },
    };
  }

  // `message` was decoded as the type of that kind.
  #compileMessage(
    kind: ResourceKind,
    message: object,
    digest: string,
    compilation: Compilation,
  ): Compiled {
    switch (kind) {
      case 'cluster': {
        const data = compileCluster(message as ClusterProto, '', this.#defaults, compilation);
        return { data, references: clusterReferences(data) };
      }
      case 'endpoint': {
        const assignment = message as ClusterLoadAssignmentProto;
        return { data: compileLoadAssignment(assignment, '', false, compilation), references: [] };
      }
      case 'secret':
        return { data: compileSecret(message as SecretProto, '', compilation), references: [] };
      case 'listener': {
        const data = compileListener(message as ListenerProto, '', digest, compilation);
        return { data, references: listenerReferences(data) };
      }
      case 'route': {
        const routes = message as RouteConfigurationProto;
        const data = compileRouteConfiguration(routes, '', false, compilation);
        return { data, references: routeReferences(data) };
      }
    }
  }
}

function nameOf(kind: ResourceKind, message: object): string {
  const named = message as { readonly name?: unknown; readonly cluster_name?: unknown };
  const name = kind === 'endpoint' ? named.cluster_name : named.name;
  return typeof name === 'string' ? name : '';
}
