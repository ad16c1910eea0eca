/** The upload page. */
import '../archive/archive.css';
import { startUploadPage } from '../upload/page';

startUploadPage();
