/** Styles of the pages of teaching and practice that live in the shell. */
import '../practice/questions.css';
import '../teaching/pages.css';
