// A server of grpc-js that answers NodeGetCapabilities with the bytes that driver and peer answer, and does nothing else: what
// the library costs, whatever is built upon it. Knows no figure.
import { parseArgs } from 'node:util';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { offeredNodeCapabilities } from '../src/csi/node-service.ts';
import { nodeService } from '../src/csi/protocol.ts';

const { values } = parseArgs({ options: { socket: { type: 'string', default: '' } } });
const { path, response } = nodeService.methods.nodeGetCapabilities;
const answer = response.encode(offeredNodeCapabilities);
const asItIs = (bytes: Buffer): Buffer => bytes;

const server = new Server({ 'grpc.enable_channelz': 0 });
server.addService(
  {
    NodeGetCapabilities: {
      ...{ path, requestStream: false, responseStream: false },
      ...{ requestSerialize: asItIs, requestDeserialize: asItIs },
      ...{ responseSerialize: asItIs, responseDeserialize: asItIs },
    },
  },
  {
    NodeGetCapabilities: (_call: unknown, respond: (error: null, bytes: Buffer) => void) =>
      respond(null, answer),
  },
);
server.bindAsync(`unix:${values.socket}`, ServerCredentials.createInsecure(), (error) => {
  if (error !== null) throw error;
});
process.once('SIGTERM', () => server.forceShutdown());
