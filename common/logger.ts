// The process log (not the access log): JSON lines on stderr through pino, named by component.

import { pino } from 'pino';

/** Levels as Envoy's -l flag names them. */
export const logLevels = ['trace', 'debug', 'info', 'warning', 'error', 'critical', 'off'] as const;
export type LogLevel = (typeof logLevels)[number];

export interface Logger {
  trace(fields: object, message: string): void;
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  fatal(fields: object, message: string): void;
  child(bindings: { readonly component: string }): Logger;
  /** True when a call of that level would be written; guard costly arguments with it. */
  isLevelEnabled(level: string): boolean;
  level: string;
}

const pinoLevels: Record<LogLevel, string> = {
  trace: 'trace',
  debug: 'debug',
  info: 'info',
  warning: 'warn',
  error: 'error',
  critical: 'fatal',
  off: 'silent',
};

/** pino's name for one of Envoy's levels. */
export function pinoLevel(level: LogLevel): string {
  return pinoLevels[level];
}

/** A logger to stderr (stdout belongs to access logs and command output), ISO times. */
export function createLogger(level: LogLevel, component: string): Logger {
  return pino(
    {
      level: pinoLevel(level),
      base: { component },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    pino.destination({ dest: 2, sync: true }),
  );
}

/** A logger that writes nothing, for tests and one-shot commands. */
export function silentLogger(): Logger {
  return pino({ level: 'silent' });
}
