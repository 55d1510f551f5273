// Faults of the network itself, in a network namespace that belongs to one soak: rules and queues touch nothing
// outside it. It has no name and its processes live in a process namespace of their own, so whatever ends the soak
// (a crash and SIGKILL too), the kernel ends them all and takes rules, queues and interfaces away with them.
//
// insideNamespace() is called outside and runs a script inside; NetworkNamespace is what the script inside uses.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readlinkSync } from 'node:fs';

const OUTER = 'REMORA_SOAK_OUTER_NAMESPACE';
const OWN_NAMESPACE = '/proc/self/ns/net';
const TOOLS = ['unshare', 'ip', 'iptables', 'tc', 'ss'];
/** Of Ethernet: packets as they are on a network, not loopback's 64 KiB. */
const MTU = '1500';

/** Why a namespace cannot be made here; null = it can. */
export function whyNoNamespace(): string | null {
  if (process.getuid?.() !== 0) return 'needs root';
  const missing = TOOLS.filter((tool) => !isInstalled(tool));
  if (missing.length > 0) return `needs ${missing.join(', ')}`;
  const inside = [
    'iptables -A OUTPUT -p tcp --dport 1 -j REJECT --reject-with tcp-reset',
    'iptables -A OUTPUT -p tcp --dport 1 -m statistic --mode random --probability 0.5 -j DROP',
    'iptables -t mangle -A OUTPUT -p tcp --dport 1 -j CLASSIFY --set-class 1:20',
    'tc qdisc add dev lo root handle 1: htb',
    'tc qdisc del dev lo root',
    'tc qdisc add dev lo root tbf rate 1mbit burst 32kb latency 400ms',
  ];
  try {
    execFileSync('unshare', [...flags, 'sh', '-c', inside.join(' && ')], { stdio: 'ignore' });
    return null;
  } catch {
    return 'the kernel lacks namespaces, iptables rules or queues';
  }
}

const flags = ['--net', '--pid', '--fork', '--kill-child', '--mount-proc'];

function isInstalled(tool: string): boolean {
  try {
    execFileSync('sh', ['-c', `command -v ${tool}`], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** Runs `script` with `args` in a new namespace, for so long at most. Resolves with what it printed. */
export async function insideNamespace(
  script: string,
  args: readonly string[],
  timeoutMs: number,
): Promise<string> {
  const child: ChildProcess = spawn('unshare', [...flags, process.execPath, script, ...args], {
    env: { ...process.env, [OUTER]: readlinkSync(OWN_NAMESPACE) },
    // Its stdin ends with this process, however that ends.
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let printed = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    printed += chunk.toString();
  });
  const killChild = () => child.kill('SIGKILL');
  process.once('exit', killChild);
  const timer = setTimeout(killChild, timeoutMs);
  const [code] = await once(child, 'close');
  clearTimeout(timer);
  process.off('exit', killChild);
  if (code !== 0) throw new Error(`ended inside the namespace with ${code}:\n${printed}`);
  return printed;
}

/** Is this process inside one that insideNamespace() made? */
export function isInside(): boolean {
  const outer = process.env[OUTER];
  return outer !== undefined && outer !== readlinkSync(OWN_NAMESPACE);
}

/** The faults; what is at a TCP port of this namespace is what has them. Only where isInside(). */
export class NetworkNamespace {
  constructor() {
    if (!isInside()) throw new Error('not in a network namespace of its own');
    process.stdin.resume();
    process.stdin.once('end', () => process.exit(1));
    run('ip', 'link', 'set', 'lo', 'up', 'mtu', MTU);
  }

  /** Whoever sends to `port` gets a RST, as do packets of existing connections. */
  refuse(port: number): void {
    this.#rule('OUTPUT', 'dport', port, ['-j', 'REJECT', '--reject-with', 'tcp-reset']);
  }

  /** Ends all connections to `port` with RSTs, wherever they stand. */
  resetConnections(port: number): void {
    run('ss', '-K', 'dport', '=', `:${port}`);
  }

  /** What goes to `port` or comes from it vanishes. */
  drop(port: number): void {
    for (const side of sides) this.#rule('OUTPUT', side, port, ['-j', 'DROP']);
  }

  /** So much (0 to 1) of what goes to `port` or comes from it vanishes. */
  lose(port: number, share: number): void {
    const random = ['-m', 'statistic', '--mode', 'random', '--probability', String(share)];
    for (const side of sides) this.#rule('OUTPUT', side, port, [...random, '-j', 'DROP']);
  }

  /** `port` is behind a line of one Mbit/s in either direction. */
  slow(port: number): void {
    const tc = (...args: string[]) => run('tc', ...args);
    const rate = ['htb', 'rate', '1gbit', 'quantum', '60000'];
    tc('qdisc', 'add', 'dev', 'lo', 'root', 'handle', '1:', 'htb', 'default', '10');
    // One class each for the rest, for what goes there, and for what comes back.
    for (const id of ['10', '20', '30']) {
      tc('class', 'add', 'dev', 'lo', 'parent', '1:', 'classid', `1:${id}`, ...rate);
    }
    const bucket = ['tbf', 'rate', '1mbit', 'burst', '16kb', 'latency', '200ms'];
    for (const [i, side] of sides.entries()) {
      const id = ['20', '30'][i]!;
      tc('qdisc', 'add', 'dev', 'lo', 'parent', `1:${id}`, 'handle', `${id}:`, ...bucket);
      const rule = ['-p', 'tcp', `--${side}`, String(port), '-j', 'CLASSIFY', '--set-class'];
      run('iptables', '-w', '-t', 'mangle', '-A', 'OUTPUT', ...rule, `1:${id}`);
    }
  }

  /** No refuse(), drop() or lose() any more. */
  heal(): void {
    run('iptables', '-w', '-F', 'OUTPUT');
  }

  #rule(chain: string, side: string, port: number, what: readonly string[]): void {
    run('iptables', '-w', '-A', chain, '-p', 'tcp', `--${side}`, String(port), ...what);
  }
}

const sides = ['dport', 'sport'] as const;

function run(tool: string, ...args: string[]): void {
  execFileSync(tool, args, { stdio: ['ignore', 'ignore', 'pipe'], timeout: 5000 });
}
