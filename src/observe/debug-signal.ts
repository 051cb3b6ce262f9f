// Lets a person look closer at a running process: SIGUSR2 turns debug lines on, and off again.
import type { ProcessLogger } from './logger.ts';

/** Installs the signal's handler; the function it returns takes it away. (SIGUSR1 belongs to Node's debugger.) */
export function switchDebugBySignal(logger: ProcessLogger): () => void {
  const usual = logger.level;
  const handler = (): void => {
    logger.setLevel(logger.level === 'debug' ? usual : 'debug');
    logger.info('log level changed', { to: logger.level });
  };
  process.on('SIGUSR2', handler);
  return () => void process.off('SIGUSR2', handler);
}
