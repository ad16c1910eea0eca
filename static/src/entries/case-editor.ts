/** The case editor: small saves in order, rows of codes and authors, and the trainee's view at a switch. */
import '../practice/questions.css';
import '../teaching/editor.css';
import '../teaching/pages.css';
import { startPanelToggle } from '../practice/panel';
import { startEditor } from '../teaching/editor';

startEditor();
startPanelToggle();
