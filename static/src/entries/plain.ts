/** Pages without the shell (sign-in, errors): styles and form behaviour only. */
import '../styles/index.css';
import { startCopying } from '../lib/copy';
import { startForms } from '../lib/forms';
import { startPasskeys } from '../lib/passkeys';
import { startShareEntry } from '../lib/share-entry';

startForms();
startPasskeys();
startCopying();
startShareEntry();
