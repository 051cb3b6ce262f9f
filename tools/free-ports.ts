// Ports of this machine that nobody listens on. Must not know what for.
import { once } from 'node:events';
import { createServer } from 'node:net';

/** A port of 127.0.0.1. Somebody else may take it before it is used; then whatever was to listen there says so. */
export async function freePort(): Promise<number> {
  const [port] = await freePorts(1);
  if (port === undefined) throw new Error('there is no free port');
  return port;
}

/** Several of them, each another one. They are free again when this resolves. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  const ports: number[] = [];
  for (const server of servers) {
    if (!server.listening) await once(server, 'listening');
    const address = server.address();
    if (typeof address === 'object' && address !== null) ports.push(address.port);
  }
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return ports;
}
