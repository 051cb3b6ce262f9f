// In the place of winston: what the log is made with. The package's own index makes a second logger besides, for programs that
// use it without making one.
import { format } from 'logform';
import config from 'winston/lib/winston/config/index.js';
import createLogger from 'winston/lib/winston/create-logger.js';
import transports from 'winston/lib/winston/transports/index.js';

export default { config, createLogger, format, transports };
