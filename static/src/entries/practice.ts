/** The read: answers kept while they are given, a timer that can be hidden, keys. */
import '../practice/read.css';
import { startPanelToggle } from '../practice/panel';
import { startRead } from '../practice/read';
import { ReadTimer } from '../practice/timer';

customElements.define('read-timer', ReadTimer);
startRead();
startPanelToggle();
