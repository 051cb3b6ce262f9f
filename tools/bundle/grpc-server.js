// In the place of @grpc/grpc-js: its server alone, on Unix sockets. A process that only serves would otherwise load channels, name
// resolution and load balancing when it starts, which is most of the package. A bundle whose code imports more does not build.
import { setup as setUpUnixSockets } from '@grpc/grpc-js/build/src/resolver-uds.js';

export { LogVerbosity as logVerbosity } from '@grpc/grpc-js/build/src/constants.js';
export { setLoggerVerbosity as setLogVerbosity } from '@grpc/grpc-js/build/src/logging.js';
export { Server } from '@grpc/grpc-js/build/src/server.js';
export { ServerCredentials } from '@grpc/grpc-js/build/src/server-credentials.js';

setUpUnixSockets();
