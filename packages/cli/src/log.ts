import type { Sink } from './io.ts';

export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];

/** What the commands say of their own work; never part of the output. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

const silent: Logger = { debug() {}, info() {}, warn() {} };

/** Lines of JSON on stderr, where a level was asked for. The library behind it is loaded only then. */
export async function createLogger(level: LogLevel | undefined, stderr: Sink): Promise<Logger> {
  if (level === undefined || level === 'silent') return silent;
  const { pino } = await import('pino');
  const logger = pino({ name: 'netsim', level }, { write: (line: string) => void stderr.write(line) });
  return {
    debug: (fields, message) => logger.debug(fields, message),
    info: (fields, message) => logger.info(fields, message),
    warn: (fields, message) => logger.warn(fields, message),
  };
}
