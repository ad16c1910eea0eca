/** Pages without the shell (sign-in, errors): styles and form behaviour only. */
import '../styles/index.css';
import { startCopying } from '../lib/copy';
import { startForms } from '../lib/forms';
import { startForgetting } from '../lib/kept-marks';
import { startPasskeys } from '../lib/passkeys';
import { startShareEntry } from '../lib/share-entry';

startForgetting();
startForms();
startPasskeys();
startCopying();
startShareEntry();
