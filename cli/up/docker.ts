// The few calls of the docker CLI that compose-mesh.ts needs. Containers of a compose project are found by the
// labels that both docker-compose 1.29 and `docker compose` put on them.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { CodedError, errorText } from '../../common/coded-error.ts';

const run = promisify(execFile);
const TIMEOUT_MS = 20_000;

/** stdout of one call; rejects with CodedError 'docker-failed' that carries stderr. */
export async function docker(...args: readonly string[]): Promise<string> {
  try {
    const { stdout } = await run('docker', args, { timeout: TIMEOUT_MS });
    return stdout;
  } catch (thrown) {
    const stderr =
      thrown instanceof Error && 'stderr' in thrown ? String(thrown.stderr).trim() : '';
    throw new CodedError(
      'docker-failed',
      `docker ${args[0] ?? ''} failed: ${stderr || errorText(thrown)}`,
      { cause: thrown },
    );
  }
}

/** Container ids by compose service. `project` as in $COMPOSE_PROJECT_NAME; null = the one of `directory`. */
export async function composeContainers(
  directory: string,
  project: string | null,
): Promise<ReadonlyMap<string, string>> {
  const label = 'com.docker.compose';
  const filter =
    project === null
      ? `label=${label}.project.working_dir=${directory}`
      : `label=${label}.project=${project}`;
  const lines = await docker(
    ...['ps', '--all', '--no-trunc', '--filter', filter],
    ...['--format', `{{.Label "${label}.service"}} {{.ID}}`],
  );
  const containers = new Map<string, string>();
  for (const line of lines.split('\n')) {
    const [service, id] = line.split(' ');
    if (service !== undefined && id !== undefined) containers.set(service, id);
  }
  return containers;
}

/** `running healthy`, `running` (no health check), `exited`... of each container, in the order given. */
export async function containerStates(ids: readonly string[]): Promise<readonly string[]> {
  const format = '{{.State.Status}}{{with .State.Health}} {{.Status}}{{end}}';
  return (await docker('inspect', '--format', format, ...ids)).trimEnd().split('\n');
}
