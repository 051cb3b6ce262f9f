// What bundles leave out of other projects' packages: parts that are loaded for features that the driver does not use. They would
// cost time at every start and memory for good. Knows the packages, no bundle.
import path from 'node:path';
import type { Plugin } from 'esbuild';

/** Stands for a feature that nobody asks for: whoever does finds nothing there. */
const nothing = standIn('nothing.cjs');

interface LeftOut {
  /** As it is imported. */
  readonly module: string;
  /** End of the path of the module that imports it; any other when left out. */
  readonly by?: string;
  /** What takes its place. */
  readonly instead: string;
}

const leftOut: readonly LeftOut[] = [
  { module: '@grpc/grpc-js', instead: standIn('grpc-server.js') },
  { module: '@grpc/proto-loader', instead: nothing },
  // Of channelz and ORCA the server uses what counts, not the services that tell; those need a client of gRPC.
  { module: './make-client', by: '/@grpc/grpc-js/build/src/channelz.js', instead: nothing },
  { module: './make-client', by: '/@grpc/grpc-js/build/src/orca.js', instead: nothing },
  { module: './channel-credentials', by: '/@grpc/grpc-js/build/src/orca.js', instead: nothing },

  { module: 'winston', instead: standIn('winston.js') },
  { module: '@dabh/diagnostics', instead: standIn('no-diagnostics.cjs') },
  { module: '@colors/colors/safe', instead: nothing },
  { module: './file', by: '/winston/lib/winston/transports/index.js', instead: nothing },
  { module: './http', by: '/winston/lib/winston/transports/index.js', instead: nothing },

  { module: 'prom-client', instead: standIn('prom-client.js') },
  // For exemplars, which name the trace that a figure comes from.
  { module: '@opentelemetry/api', instead: nothing },

  // Of @kubernetes/client-node the driver uses the reader of kubeconfigs alone. It refers to the 2,700 generated modules for
  // making clients of them; as the package does not say that they do nothing by themselves, esbuild would keep a good part of them.
  { module: './gen/index.js', by: '/@kubernetes/client-node/dist/config.js', instead: nothing },
  // client-node sends its requests with it; ours go by node:http (src/kubernetes/api-connection.ts).
  { module: 'undici', instead: nothing },
];

/** Puts something smaller in the place of what is not used. */
export const leaveOutUnused: Plugin = {
  name: 'leave-out-unused',
  setup({ onResolve }) {
    for (const { module, by, instead } of leftOut) {
      const filter = new RegExp(`^${module.replaceAll('.', '\\.')}$`);
      onResolve({ filter }, ({ importer }) =>
        by === undefined || importer.endsWith(by) ? { path: instead } : undefined,
      );
    }
  },
};

function standIn(file: string): string {
  return path.join(import.meta.dirname, file);
}
